"""A stage's whole life on an emulator: deployed, used, changed and taken back, by the commands that a user has."""
