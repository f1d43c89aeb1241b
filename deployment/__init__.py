"""Deploys a stage of the service to an AWS account, and removes it again. Not part of the Lambda package."""
