"""What the rules said of public repositories, and how much of it was wrong. Nothing of these is kept here.

Counted by hand, each finding up to 40 of a rule: read beside the code that it is about. Findings of rules that are
not named here were not looked at this way.
"""

from __future__ import annotations

from collections.abc import Mapping

from attrs import frozen

DAY = "2026-11-29"

FOLDERS = 202
"""Folders with an entry script, of some 170 repositories, those in their notebooks' ``%%writefile`` cells too."""


DOCKERFILES = 743
"""Dockerfiles, 125 of which extend an image of Azure ML's, and 39 one for inference."""


DEPLOYMENTS = 77
"""Files of online deployments."""


@frozen
class Judged:
    """Findings of one rule.

    :param found: in all folders, Dockerfiles and deployment files. :param looked_at: at most 40 of them.
    :param wrong: of those that were looked at.
    """

    found: int
    looked_at: int
    wrong: int


# AML704, AML724, AML725 and AML746 ran over 550 public Dockerfiles on 2026-11-30, and AML417 over 42 folders and 55
# deployment files of nine repositories, since it takes versions with a star too. AML734, AML720 with a hyphen behind
# the dash, and AML210 with AZURE_MODEL_DIR ran over 209 folders with a Dockerfile of 28 repositories and 108 with an
# entry script that day; AML501, which looks into other folders too, over those above 121 scripts: of these it told
# none.
JUDGED: Mapping[str, Judged] = {
    "AML120": Judged(0, 0, 0),
    "AML210": Judged(0, 0, 0),
    "AML211": Judged(0, 0, 0),
    "AML306": Judged(0, 0, 0),
    "AML317": Judged(0, 0, 0),
    "AML320": Judged(1, 1, 0),
    "AML417": Judged(8, 8, 0),
    "AML420": Judged(0, 0, 0),
    "AML530": Judged(3, 3, 0),
    "AML531": Judged(0, 0, 0),
    "AML532": Judged(0, 0, 0),
    "AML555": Judged(0, 0, 0),
    "AML556": Judged(0, 0, 0),
    "AML620": Judged(15, 15, 0),
    "AML701": Judged(0, 0, 0),
    "AML702": Judged(24, 24, 0),
    "AML703": Judged(1, 1, 0),
    "AML704": Judged(0, 0, 0),
    "AML710": Judged(6, 6, 0),
    "AML711": Judged(4, 4, 0),
    "AML720": Judged(0, 0, 0),
    "AML721": Judged(0, 0, 0),
    "AML722": Judged(1, 1, 0),
    "AML723": Judged(0, 0, 0),
    "AML724": Judged(0, 0, 0),
    "AML725": Judged(1, 1, 0),
    "AML730": Judged(0, 0, 0),
    "AML731": Judged(0, 0, 0),
    "AML732": Judged(0, 0, 0),
    "AML733": Judged(0, 0, 0),
    "AML734": Judged(0, 0, 0),
    "AML740": Judged(0, 0, 0),
    "AML741": Judged(0, 0, 0),
    "AML742": Judged(0, 0, 0),
    "AML743": Judged(0, 0, 0),
    "AML744": Judged(0, 0, 0),
    "AML745": Judged(0, 0, 0),
    "AML746": Judged(0, 0, 0),
    "AML801": Judged(3, 3, 0),
    "AML802": Judged(0, 0, 0),
    "AML803": Judged(1, 1, 0),
    "AML804": Judged(0, 0, 0),
    "AML805": Judged(0, 0, 0),
    "AML810": Judged(0, 0, 0),
    "AML811": Judged(1, 1, 0),
    "AML820": Judged(0, 0, 0),
    "AML821": Judged(0, 0, 0),
    "AML822": Judged(3, 3, 0),
    "AML823": Judged(0, 0, 0),
}
