"""Azure ML's known traps, and what of this program has each: a rule, or what refuses or avoids it."""

from __future__ import annotations

from attrs import frozen


@frozen
class Trap:
    """One of them.

    :param key: ``E1`` to ``E23`` of the two ways without a new image, as the project's notes number them; ``D`` of
        the documented Dockerfiles, ``R`` of running servers.
    :param what: in a few words.
    :param rules: that tell of it.
    :param otherwise: what refuses or avoids it, where that is no rule, or not a rule alone.
    """

    key: str
    what: str
    rules: tuple[str, ...] = ()
    otherwise: str = ""


TRAPS = (
    Trap("E1", "the list of packages is not beside the script", otherwise="`dynamic` copies it there"),
    Trap("E2", "a package is not listed", ("AML332", "AML333", "AML334")),
    Trap("E3", "a package without its version is installed at each start", ("AML306",)),
    Trap("E4", "a variable is misspelt", ("AML201", "AML210")),
    Trap("E5", "the list may have any name", otherwise="`--requirements` takes any"),
    Trap("E6", "packages are installed at each start", ("AML304",)),
    Trap("E7", "packages are brought as a folder", otherwise="`preinstalled` installs them in the base's own Python"),
    Trap("E8", "packages are of another Python", ("AML340",), "locks and wheels that do not fit are refused"),
    Trap("E9", "the folder of packages is not the site-packages", otherwise="refused by `preinstalled`"),
    Trap("E10", "the folder of packages leads out of itself", otherwise="`pip check`; links and `.pth` are refused"),
    Trap("E11", "PYTHONPATH brings packages of elsewhere in", otherwise="the build runs without it"),
    Trap("E12", "conda and a virtual environment are mixed", otherwise="refused by `preinstalled`"),
    Trap("E13", "a file or a folder is not in the container", ("AML103", "AML207", "AML501", "AML502", "AML532")),
    Trap("E14", "a package comes before the base's own", ("AML317", "AML390"), "`pip check` ends the build"),
    Trap("E15", "the model's folder has code and lists of packages", ("AML303", "AML402")),
    Trap("E16", "code and model are not apart", ("AML402",), "`dagger-aml init` lays them out"),
    Trap("E17", "two ways to add packages at start", ("AML741",), "refused in a project"),
    Trap(
        "E18", "the entry script's path begins with a slash", ("AML103", "AML740"), "refused with packages at start"
    ),
    Trap("E19", "apt packages without a Dockerfile", ("AML320",), "`apt.txt`"),
    Trap(
        "E20",
        "the base does not read the variables any more",
        ("AML602", "AML603", "AML743"),
        "`build` asks the base",
    ),
    Trap("E21", "SDK v1's user-managed dependencies", otherwise="nothing of SDK v1 is written"),
    Trap("E22", "flask and others of the server are listed", ("AML317",)),
    Trap(
        "E23", "a copied virtual environment has programs with absolute paths", otherwise="only packages are copied"
    ),
    Trap("D1", "a package of apt is for the system's Python", ("AML320",)),
    Trap("D2", "files that only root reads", ("AML731",), "modes are made 0644 and 0755"),
    Trap("D3", "`azureml-model` for `azureml-models`", ("AML420", "AML732")),
    Trap("D4", "a dash of typography in a command", ("AML720",)),
    Trap("D5", "apt without root, or an image left as root", ("AML710", "AML711"), "both done by `apt.txt`"),
    Trap("D6", "code in a folder that the server does not look in", ("AML207", "AML730")),
    Trap("D7", "packages for another Python, or in an environment of their own", ("AML721", "AML722", "AML724")),
    Trap("D8", "a command or an entrypoint in the place of the base's", ("AML602", "AML723")),
    Trap("D9", "a base that is not supported, or is none", ("AML620", "AML701", "AML702", "AML703", "AML704")),
    Trap("D10", "secrets in layers and variables", ("AML211", "AML733", "AML744")),
    Trap("D11", "workers, requests, timeouts and probes that do not fit", ("AML801", "AML804", "AML805", "AML810")),
    Trap("D12", "an image by a tag that moves", ("AML822",), "`deployment` writes the digest"),
    Trap("D13", "a model without folders of its name and version", ("AML734",), "models lie in `NAME/VERSION`"),
    Trap("R1", "a relative path is opened or written", ("AML531", "AML532")),
    Trap("R2", "files of the code that the server takes for its own", ("AML555", "AML556")),
    Trap("R3", "modules that are called as the server's own", ("AML550", "AML551", "AML553", "AML554")),
    Trap("R4", "a script in a folder does not find what lies beside it", ("AML501", "AML113", "AML532")),
    Trap("R5", "`run()` returns what is no JSON", ("AML120",)),
    Trap("R6", "`async` or wrong parameters", ("AML110", "AML111", "AML112")),
    Trap("R7", "dataclasses and models of pydantic in the script", ("AML116", "AML118")),
    Trap("R8", "`AZUREML_APP_ROOT` for `AML_APP_ROOT`", ("AML201", "AML210")),
    Trap("R9", "a value with which the server does not start", ("AML203", "AML204", "AML205")),
    Trap("R10", "downloads as the container starts", ("AML530",)),
    Trap("R11", "secrets in code and variables", ("AML211",), "those of an index's address are refused"),
    Trap("R12", "a Python without security fixes", ("AML620",)),
    Trap("R13", "a model of another version of its package", ("AML415", "AML416", "AML417", "AML418", "AML419")),
    Trap("R14", "the image runs as root", ("AML601",)),
)
"""What each was taken from: Microsoft's pages, and runs of the server itself."""
