"""From an empty AWS account to a running stage of the service, and back. Nothing here is in the Lambda package."""
