"""Whether what stands in an AWS account is what the project says. Asks, and changes nothing."""
