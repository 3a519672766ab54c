"""`coexist demo`: one conversation, without and with the profile store, against a real server.

Rasa's part is played by a small script: which system the router picks and which slots a message
fills is written down in `story`; what becomes of slots and which actions are called follows
Rasa's own rules. The action server, its calls over HTTP and the database are real.
"""
