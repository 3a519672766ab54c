"""The profile actions and the server plug-in, as a user's assistant has them."""

import coexistence

coexistence.install()
