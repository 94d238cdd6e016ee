"""Rules about what a list of packages says: where each speaks, and where it is silent."""

from __future__ import annotations

from dagger_aml import Options, load_project, make_plan
from dagger_aml.building.graphs import lay_out
from dagger_aml.finding import Finding
from tests.support.calls import await_, short
from tests.support.cases import for_each
from tests.support.projects import SCORE, make
from tests.unit.test_locks import A, pylock

HASH = f"--hash=sha256:{'a' * 64}"
EXTRA = "--extra-index-url https://download.pytorch.org/whl/cpu\n"
GIT = "ours @ git+https://x.example/ours@v1"


def found(tmp_path, files: dict[str, str | bytes | None], **options) -> list[Finding]:
    """What rules 310 to 329 say of a project."""
    make(tmp_path, {"score.py": SCORE, **files})
    graph = await_(lay_out(load_project(tmp_path, Options(**{"base": "minimal-py312-inference", **options}))))
    return [each for each in make_plan(graph).warnings if each.id and "AML310" <= each.id <= "AML329"]


FIRING = [
    ("AML310", {"requirements.txt": f"idna\n{GIT}\n"}, {}, "requirements.txt:2",
     "is fetched by git", 'Options(apt="git")'),
    ("AML310", {"requirements.txt": "git+https://x.example/a\n", "apt.txt": "curl\n"}, {}, "requirements.txt:1",
     "git+https://x.example/a is fetched by git", "apt.txt"),
    ("AML310", {"requirements.txt": "ours @ hg+https://x.example/a\n", "apt.txt": "git\n"}, {}, "requirements.txt:1",
     "is fetched by hg", "mercurial"),
    ("AML310", {"requirements.txt": f"{GIT}\n"}, {"recipe": "preinstalled", "via": "pythonpath"},
     "requirements.txt:1", "is fetched by git", "Build a wheel"),
    ("AML310", {"pyproject.toml": f'[project]\nname = "p"\ndependencies = ["{GIT}"]\n'}, {}, "pyproject.toml:3",
     "is fetched by git", 'Options(apt="git")'),
    ("AML311", {"requirements.txt": "pywin32 ; sys_platform == 'win32'\n"}, {}, "requirements.txt",
     "its only package is not for Python 3.12 on linux/amd64", "markers"),
    ("AML311", {"requirements.txt": "tomli;python_version<'3.11'\nx;os_name=='nt'\n"}, {}, "requirements.txt",
     "none of its 2 packages is for Python 3.12", "dagger-aml images"),
    ("AML311", {"pylock.toml": pylock(f'version = "1"\nmarker = "os_name == \'nt\'"\n'
                f'sdist = {{ url = "https://x/b-1.tar.gz", hashes = {{ sha256 = "{A}" }} }}')}, {}, "pylock.toml",
     "its only package is not for", "markers"),
    ("AML312", {"requirements.txt": "six==1 --index-url https://x.example\n"}, {}, "requirements.txt:1",
     "pip does nothing with --index-url on the line of six==1", "line of its own"),
    ("AML312", {"requirements.txt": f"idna\nsix==1 {HASH} ; python_version > '3'\nidna {HASH}\n"}, {},
     "requirements.txt:2", "pip does nothing with ; python_version > 3 on the line of six==1", "marker before"),
    ("AML312", {"requirements.txt": "-r a.txt -c b.txt\n", "a.txt": "six\n", "b.txt": "six<2\n"}, {},
     "requirements.txt:1", "pip does nothing with -c, since another option", "line of its own"),
    ("AML313", {"requirements.txt": "--pre\nsix\n"}, {"installer": "uv"}, "requirements.txt:1",
     "uv does nothing with --pre", 'Options(installer="pip")'),
    ("AML313", {"requirements.txt": "six\n--prefer-binary\n"}, {"installer": "uv"}, "requirements.txt:2",
     "uv does nothing with --prefer-binary", 'Options(installer="pip")'),
    ("AML314", {"requirements.txt": f"{EXTRA}six==1\n"}, {"installer": "uv"}, "requirements.txt",
     "from the first index", "hashes"),
    ("AML314", {"requirements.txt": "six\n"}, {"installer": "uv", "extra_index_url": ("https://x.example",)},
     "requirements.txt", "from the first index", "hashes"),
    ("AML315", {"requirements.txt": f"{EXTRA}six==1 {HASH}\n"}, {"installer": "uv"}, "requirements.txt",
     "looks in all indexes (--index-strategy unsafe-best-match)", ""),
    ("AML315", {"requirements.txt": f"six==1 {HASH}\n"},
     {"installer": "uv", "extra_index_url": ("https://x.example",)}, "requirements.txt", "looks in all indexes", ""),
    ("AML316", {"requirements.txt": "ours @ git+ssh://git@x.example/ours\n", "apt.txt": "git\n"}, {},
     "requirements.txt:1", "is fetched by ssh", "https"),
    ("AML316", {"requirements.txt": "git+ssh://git@x.example/ours\n", "apt.txt": "git\n"}, {}, "requirements.txt:1",
     "is fetched by ssh", "wheel"),
]  # fmt: skip


@for_each(("id", "files", "options", "where", "said", "do"), FIRING, ids=short)
def test_a_rule_speaks(tmp_path, id, files, options, where, said, do):
    (one,) = [each for each in found(tmp_path, files, **options) if each.id == id]
    assert one.location == where and said in one.message and do in (one.hint or "")


SILENT = {
    "plain": ({"requirements.txt": "idna==3.10\nsix\n"}, {}),
    "git is there": ({"requirements.txt": f"{GIT}\n", "apt.txt": "git\n"}, {}),
    "git's version": ({"requirements.txt": f"{GIT}\n"}, {"apt": ("git=1:2.*",)}),
    "a wheel by URL": ({"requirements.txt": "https://x.example/six-1.17.0-py2.py3-none-any.whl\n"}, {}),
    "a constraint": ({"requirements.txt": "-c c.txt\nsix\n", "c.txt": "ours @ git+ssh://git@x.example/ours\n"}, {}),
    "a marker that holds": ({"requirements.txt": "six ; sys_platform == 'linux'\nx ; os_name == 'nt'\n"}, {}),
    "an empty list": ({"requirements.txt": "# nothing\n"}, {}),
    "one added": ({"requirements.txt": "x ; os_name == 'nt'\n"}, {"pip": ("six",)}),
    "a Python that is not known": (
        {"requirements.txt": "x ; python_version < '3'\n"}, {"base": "registry.example/ours:1"}),
    "options of their own": ({"requirements.txt": f"{EXTRA}--pre --prefer-binary\nsix==1 {HASH}\n"}, {}),
    "config settings": ({"requirements.txt": "six==1 --config-settings a=b\n"}, {}),
    "one index": ({"requirements.txt": f"-i https://x.example/simple\nsix==1 {HASH}\n"}, {"installer": "uv"}),
    "one index, no hashes": ({"requirements.txt": "six==1\n"}, {"installer": "uv"}),
    "two indexes and pip": ({"requirements.txt": f"{EXTRA}six==1\n"}, {}),
}  # fmt: skip


@for_each(("files", "options"), SILENT.values(), ids=SILENT)
def test_every_rule_is_silent(tmp_path, files, options):
    assert [each.id for each in found(tmp_path, files, **options)] == []
