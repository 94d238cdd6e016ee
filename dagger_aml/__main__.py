"""``python -m dagger_aml``"""

from .cli import main

main()
