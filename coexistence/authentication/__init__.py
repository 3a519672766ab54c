"""Who may call the action server: who sends what Rasa is configured to send."""
