"""What a team writes without the kit: a `mock_aws`, a client and new tables for every test."""
