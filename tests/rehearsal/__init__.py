"""A stage's whole life on an emulator: deployed, used, changed and destroyed, by a user's commands."""
