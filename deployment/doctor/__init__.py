"""What is unsafe or missing in a stage, said before it is deployed."""
