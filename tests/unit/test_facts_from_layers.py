"""Facts of a base from its layers: users, Pythons, the start script, paths, and what is left to the probe."""

from __future__ import annotations

import posixpath
from typing import Any

import pytest
from attrs import evolve

from dagger_aml.base.facts import BaseFacts, PathFact
from dagger_aml.base.from_layers import Unanswered, facts_from_layers
from dagger_aml.errors import BaseError
from tests.support.cases import for_each
from tests.support.layers import Put, file, hard, layers, link, program

PASSWD = """root:x:0:0:root:/root:/bin/bash
# a comment
app:x:1000:1001::/home/app:/bin/sh
twin:x:1000:7::/:
odd:x:2000:50::/:
"""
GROUP = "root:x:0:\nstaff:x:50:\napps:x:1001:app\n"
SYSTEM = {
    **{"etc": Put(), "etc/passwd": file(PASSWD), "etc/group": file(GROUP), "usr/bin": Put(), "bin": link("usr/bin")},
    **{"usr/bin/sh": link("dash"), "usr/bin/dash": program()},
}
PATH = "PATH=/env/bin:/usr/local/bin:/usr/bin"
ENV = "AZUREML_CONDA_ENVIRONMENT_PATH=/env"


def python(prefix: str, version: str = "3.12", *, site: str = "site-packages", pip: bool = True) -> dict[str, Put]:
    """A Python with its standard library below a prefix of the image."""
    top = prefix.lstrip("/")
    found = {
        f"{top}/bin/python3": link(f"python{version}"),
        f"{top}/bin/python": link("python3"),
        f"{top}/bin/python{version}": program(),
        f"{top}/lib/python{version}/os.py": file(),
        f"{top}/lib/python{version}/{site}": Put(),
    }
    return {**found, **({f"{top}/lib/python{version}/{site}/pip/__init__.py": file()} if pip else {})}


def venv(prefix: str, home: str, version: str = "3.12", more: str = "", *, pip: bool = True) -> dict[str, Put]:
    """A virtual environment whose Python is a link to another."""
    top = prefix.lstrip("/")
    site = f"{top}/lib/python{version}/site-packages"
    return {
        top: Put(uid=5, gid=6),
        f"{top}/bin/python": link("python3"),
        f"{top}/bin/python3": link(f"{home}/python3"),
        f"{top}/pyvenv.cfg": file(f"home = {home}\nversion = {version}.4\n{more}"),
        site: Put(),
        **({f"{site}/pip/__init__.py": file()} if pip else {}),
    }


NO_SYSTEM = "include-system-site-packages = false\n"


def facts(*each: dict[str, Put], paths: tuple[str, ...] = (), **config: Any) -> BaseFacts:
    """Of a base with the system lowest."""
    return facts_from_layers({"Env": [PATH], **config}, layers(SYSTEM, *each), paths)


def named(*each: dict[str, Put], **config: Any) -> BaseFacts:
    return facts(*each, Env=[PATH, ENV], **config)


def refused(*each: dict[str, Put], **config: Any) -> str:
    with pytest.raises(Unanswered) as caught:
        facts(*each, **config)
    return caught.value.message


# --- user ---------------------------------------------------------------------------------------------------------


@for_each(
    ("user", "numbers"),
    {
        **{"": (0, 0), "root": (0, 0), "0": (0, 0), "app": (1000, 1001), "app:": (1000, 1001), "1000": (1000, 1001)},
        **{"app:staff": (1000, 50), "app:77": (1000, 77), "77:staff": (77, 50), "77": (77, 0), "1000:0": (1000, 0)},
        **{":staff": (0, 50), "odd": (2000, 50), "4294967294:9": (4294967294, 9)},
    }.items(),
)
def test_the_numbers_of_a_user(user, numbers):
    found = facts(User=user)
    assert (found.uid, found.gid, found.user, found.source) == (*numbers, user, "probed")


@pytest.mark.parametrize("user", ["nobody-here", "app:nobody-here", "nobody-here:staff"])
def test_a_user_that_the_base_does_not_know_is_refused(user):
    with pytest.raises(BaseError, match=f"runs as {user}, but its /etc/passwd"):
        facts(User=user)
    with pytest.raises(BaseError, match="runs as root"):
        facts({"etc/.wh.passwd": file(), "etc/.wh.group": file()}, User="root")


def test_without_passwd_and_group_numbers_are_what_they_are():
    found = facts({"etc/.wh.passwd": file(), "etc/.wh.group": file()}, User="12:34")
    assert (found.uid, found.gid) == (12, 34)
    assert facts({"etc/.wh.passwd": file()}, User="12").gid == 0


@for_each("user", ["twin", "007", "+1", "4294967295", "app:007", "-1"])
def test_a_user_that_programs_read_differently_is_left_to_the_probe(user):
    assert "user" in refused(User=user)


@for_each(
    ("name", "text", "user"),
    [
        ("passwd", PASSWD + "1000:x:8:8::/:\n", "1000"),
        ("passwd", PASSWD + "+::::::\n", "app"),
        ("passwd", "app:x:1x:2::/:\n", "app"),
        ("group", "50:x:9:\n", "app:50"),
        ("nsswitch.conf", "passwd: ldap files\n", "app"),
        ("nsswitch.conf", "passwd: files [NOTFOUND=return] db\n", "app"),
        ("nsswitch.conf", "passwd: files systemd\n", "nobody-here"),
        ("nsswitch.conf", "group: ldap\n", "app:staff"),
    ],
)
def test_what_else_may_know_users_is_left_to_the_probe(name, text, user):
    refused({f"etc/{name}": file(text)}, User=user)


def test_name_services_that_need_a_daemon_change_nothing():
    found = facts(
        {"etc/nsswitch.conf": file("# x\npasswd:\tsss files systemd # y\ngroup: files\n")}, User="app:staff"
    )
    assert (found.uid, found.gid) == (1000, 50)


# --- Python -------------------------------------------------------------------------------------------------------


def test_no_python_at_all():
    found = facts(paths=("/usr",))
    assert (found.environment, found.python, found.interpreter, found.server) == (None, None, None, "")
    assert named().environment is None, "nothing is there"
    assert named({"env/bin/python": file()}).environment is None, "not executable"
    assert named({"env/bin/python": link("python3")}).environment is None, "dangling"


def test_the_named_environment_is_asked_before_the_path():
    found = named(python("/env", "3.11"), python("/usr/local"), {"env": Put(uid=3, gid=4)})
    assert (found.environment, found.interpreter, found.python) == ("/env", None, "3.11")
    assert (found.environment_uid, found.environment_gid, found.pip, found.managed) == (3, 4, True, False)


def test_the_first_python_of_the_path():
    found = facts(python("/usr/local", pip=False), {"usr/local": Put(uid=1, gid=2)})
    assert (found.environment, found.interpreter) == ("/usr/local", "/usr/local/bin/python3")
    assert (found.environment_uid, found.environment_gid, found.python, found.pip) == (1, 2, "3.12", False)
    only = facts(python("/opt/p"), {"usr/local/bin/python": link("/opt/p/bin/python3.12")})
    assert (only.environment, only.interpreter) == ("/opt/p", "/usr/local/bin/python")
    assert facts(python("/opt/p"), Env=["PATH=/nowhere:/opt/p/bin"]).environment == "/opt/p"
    assert facts(python("/usr"), Env=[]).environment == "/usr", "the PATH of containers"


def test_debians_python_has_dist_packages_and_may_be_managed():
    debian = python("/usr", "3.11", site="dist-packages", pip=False)
    debian["usr/lib/python3.11/sitecustomize.py"] = file("import apport_python_hook\n")
    debian["usr/lib/python3/dist-packages"] = Put()
    assert facts(debian).pip is facts(debian).managed is False
    debian["usr/lib/python3.11/EXTERNALLY-MANAGED"] = file()
    debian["usr/lib/python3/dist-packages/pip/__init__.py"] = file()
    assert facts(debian).pip is facts(debian).managed is True
    elsewhere = named(debian, venv("/env", "/usr/bin", "3.11", NO_SYSTEM, pip=False))
    assert elsewhere.pip is elsewhere.managed is False
    assert named(debian, venv("/env", "/usr/bin", "3.11", "Include-System-Site-Packages = TRUE", pip=False)).pip


def test_a_virtual_environment():
    found = facts(python("/usr", pip=False), venv("/env", "/usr/bin", more=NO_SYSTEM))
    assert (found.environment, found.interpreter, found.python) == ("/env", "/env/bin/python3", "3.12")
    assert (found.environment_uid, found.environment_gid, found.pip) == (5, 6, True)
    assert named(python("/usr"), venv("/env", "/usr/bin", pip=False)).pip, "of the system, unless it says no"
    assert not named(python("/usr"), venv("/env", "/usr/bin", more=NO_SYSTEM, pip=False)).pip
    copied = venv("/env", "/usr/bin", more=NO_SYSTEM) | {"env/bin/python3": program()}
    assert named(python("/usr"), copied).python == "3.12", "a copy's name tells no number"
    away = {**venv("/env", "/usr/bin", more=NO_SYSTEM), "env/bin/python3": link("/nowhere/python3")}
    assert named(python("/usr"), away).environment is None


def test_a_conda_environment_behind_a_link():
    below = {**python("/opt/conda/envs/amlenv", "3.10"), "opt/miniconda": link("conda")}
    below["opt/conda/envs/amlenv"] = Put(uid=1000, gid=1000)
    below["opt/conda/envs/amlenv/lib/python3.1"] = link("python3.10")
    found = facts(below, Env=["AZUREML_CONDA_ENVIRONMENT_PATH=/opt/miniconda/envs/amlenv/", PATH])
    assert (found.environment, found.environment_uid, found.python) == ("/opt/miniconda/envs/amlenv", 1000, "3.10")
    assert "depends on how" in refused(below, Env=["PATH=/opt/miniconda/envs/amlenv/bin"])


def test_a_python_of_fedora_lies_in_lib64():
    fedora = {
        "usr/bin/python3": link("python3.9"),
        "usr/bin/python3.9": program(),
        "usr/lib64/python3.9/os.py": file(),
    }
    fedora["usr/lib/python3.9/site-packages/pip"] = Put()
    fedora["usr/lib64/python3.9/EXTERNALLY-MANAGED"] = file()
    found = facts(fedora)
    assert (found.environment, found.python, found.pip, found.managed) == ("/usr", "3.9", True, True)


def test_a_lib64_that_is_the_same_folder_is_no_second_library():
    assert facts({**python("/usr/local"), "usr/local/lib64": link("lib")}).python == "3.12"


SITE = "env/lib/python3.12/site-packages"


@for_each(
    ("more", "why"),
    [
        ({"env/bin/python3.12": file("#!/bin/sh\n", 0o755)}, "is a script"),
        ({"env/bin/python3": link("pypy3"), "env/bin/pypy3": program()}, "another kind of Python"),
        ({"env/bin/python3": link("python3.12t"), "env/bin/python3.12t": program()}, "another kind of Python"),
        ({"env/lib/python3.12/.wh.os.py": file()}, "no standard library"),
        ({"env/lib64/python3.12/os.py": file()}, "several standard libraries"),
        ({"env/bin/python3": program(), "env/lib/python3.11/os.py": file()}, "several standard libraries"),
        ({"env/bin/pyvenv.cfg": file()}, "beside the interpreter"),
        ({"env/pyvenv.cfg": file("version = 3.12.1\n")}, "does not say where"),
        ({"env/pyvenv.cfg": file("home = /env/bin\nversion_info = 3.11.1.final.0\n")}, "made for another Python"),
        ({"env/bin/python": Put(), "env/bin/.wh.python": file()}, "is not a file"),
        ({f"{SITE}/.wh.pip": file(), f"{SITE}/a.pth": file("import finder\n")}, "a.pth"),
        ({f"{SITE}/.wh.pip": file(), f"{SITE}/a.pth": file("# x\n\n./egg\n"), f"{SITE}/egg": Put()}, "a.pth"),
        (
            {f"{SITE}/.wh.pip": file(), f"{SITE}/sitecustomize.py": file("import sys; sys.path.append('x')")},
            "sitecus",
        ),
        ({f"{SITE}/.wh.pip": file(), "env/lib64/python3.12/site-packages/pip": Put()}, "how it was built"),
    ],
)
def test_a_python_that_files_do_not_tell_of_is_left_to_the_probe(more, why):
    assert why in refused(python("/env"), more, Env=[PATH, ENV])


def test_what_site_packages_may_hold_without_bringing_pip():
    more = {f"{SITE}/distutils-precedence.pth": file("import os\n"), f"{SITE}/b.pth": file("# x\n/nowhere\n")}
    found = named(python("/env", pip=False), {**more, f"{SITE}/sitecustomize.py": file("import this\n")})
    assert found.python == "3.12" and not found.pip
    assert named(python("/env", pip=False), {f"{SITE}/pip.py": file()}).pip


def test_shells_differ_in_what_is_a_program():
    assert "is a program" in refused(python("/usr/local"), {"env/bin/python3": file()})
    assert "is a program" in refused(python("/usr"), Env=["PATH=/usr/bin/"])
    assert "is a program" in refused(python("/usr"), Env=["PATH=/nowhere:usr/bin"])
    assert facts(python("/usr"), Env=["PATH=/usr/bin:"]).environment == "/usr"
    assert "relative" in refused(Env=["AZUREML_CONDA_ENVIRONMENT_PATH=env"])


# --- server, start script -----------------------------------------------------------------------------------------


def test_the_server_beside_python_or_on_the_path():
    found = named(python("/env"), {"env/bin/azmlinfsrv": program(), "usr/bin/azmlinfsrv": program()})
    assert found.server == "/env/bin/azmlinfsrv"
    assert named(python("/env"), {"usr/bin/azmlinfsrv": program()}).server == "/usr/bin/azmlinfsrv"
    assert named(python("/env")).server == "" == facts().server
    assert facts({"usr/bin/azmlinfsrv": program()}).server == "/usr/bin/azmlinfsrv"


RUN = "var/runit/gunicorn/run"


def test_the_start_script():
    assert (facts().starts, facts().extras) == (False, False)
    script = {RUN: link("run.sh"), "var/runit/gunicorn/run.sh": file("x\nset $AZUREML_EXTRA_CONDA_YAML\n")}
    assert (facts(script).starts, facts(script).extras) == (False, True)
    whole = {RUN: file("exec azmlinfsrv\n"), "usr/bin/runsvdir": program()}
    assert (facts(whole).starts, facts(whole).extras) == (True, False)
    assert facts(whole, {f"{posixpath.dirname(RUN)}/.wh.run": file()}).starts is False
    assert facts({RUN: Put()}).starts is False
    assert "busybox" in refused({RUN: file(), "usr/bin/sh": link("/usr/bin/busybox"), "usr/bin/busybox": program()})


# --- paths --------------------------------------------------------------------------------------------------------


def test_paths_as_the_probe_tells_them():
    tree = {
        **{"d": Put(0o2775, 3, 4), "d/f": file("x", 0o640, 5, 6), "d/h": hard("d/f", 0o640, 5, 6), "s": Put(0o1777)},
        **{
            "d/fifo": Put(0o600, fifo=True),
            "l": link("d"),
            "abs": link("/l/f"),
            "gone": link("no"),
            "loop": link("loop"),
        },
    }
    found = facts(
        tree, {"deep/er/f": file()}, paths=(*(f"/{name}" for name in tree), "/l/f", "/deep", "/no", "/d/f/x")
    )
    own = PathFact("file", 0o640, 5, 6)
    assert found.paths == {
        **{"/d": PathFact("dir", 0o2775, 3, 4), "/s": PathFact("dir", 0o1777), "/d/fifo": PathFact("other", 0o600)},
        **{"/d/f": own, "/d/h": own, "/l/f": own, "/deep": PathFact("dir")},
        **{"/l": PathFact("link", 0o777, target="/d"), "/abs": PathFact("link", 0o777, target="/d/f")},
        **{"/gone": PathFact("link", 0o777), "/loop": PathFact("link", 0o777)},
    }


def test_paths_that_only_a_container_has_are_left_to_the_probe():
    system = {"proc": Put(), "etc/hosts": file()}
    for path in ("/proc", "/proc/self", "/etc/hosts", "/etc/resolv.conf", "/dev/null", "/run/secrets/x", "/run"):
        assert "in a container" in refused(system, paths=(path,))
    assert facts(system, paths=("/etc", "/no\nline")).paths == {"/etc": PathFact("dir")}
    volumes = {"/data/a": {}}
    assert "because of /data/a" in refused(paths=("/data",), Volumes=volumes)
    assert facts({"data": Put(0o700)}, paths=("/data", "/data/b"), Volumes=volumes).paths == {
        "/data": PathFact("dir", 0o700)
    }
    assert "unprintable" in refused({"l": link("x\ny"), "x\ny": file()}, paths=("/l",))


def test_an_owner_that_depends_on_the_builder_is_left_to_the_probe():
    low = {"env": Put(uid=1), "env/old": Put(0o700), "usr": Put(0o711)}
    assert "of /env in" in refused(low, {"env/new": file()}, paths=("/env",))
    assert "of /env in" in refused(low | python("/env"), {"env/bin/.wh.x": file()}, Env=[PATH, ENV])
    assert facts(low, {"env/new": file()}, paths=("/env/new", "/env/old")).paths["/env/old"].mode == 0o700


def test_the_config_is_told_as_it_is():
    config = {"WorkingDir": "/x/", "Cmd": ["a"], "Entrypoint": ["b"], "OnBuild": ["RUN c"], "Volumes": {"/v": {}}}
    found = facts(Env=["A=b=c", PATH], **config)
    assert (found.workdir, found.cmd, found.entrypoint, found.onbuild) == ("/x", ("a",), ("b",), ("RUN c",))
    assert found.env["A"] == "b=c" and found.volumes == ("/v",)
    assert found == evolve(found, source="probed")


def test_no_layer_is_read_that_is_not_needed():
    def broken() -> Any:
        raise AssertionError("the lowest layer is opened")

    whole = {**SYSTEM, **python("/env"), "env": Put(), "usr": Put(), ".wh..wh..opq": file()}
    over = {"env": Put(uid=7), "var": Put(), "var/x": file()}
    found = facts_from_layers({"Env": [PATH, ENV]}, [broken, *layers(whole, over)], ("/var/x", "/var/y"))
    assert found.environment_uid == 7 and found.pip and tuple(found.paths) == ("/var/x",)
    with pytest.raises(AssertionError, match="lowest layer is opened"):
        facts_from_layers({}, [broken, *layers(SYSTEM)], ())
