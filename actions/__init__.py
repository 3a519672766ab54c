"""What `rasa run actions` and `python -m rasa_sdk --actions actions` load.

The profile actions come from `coexistence`; the example skills are in the modules beside this
one, and are to be replaced by your own.
"""

import coexistence

coexistence.install()
