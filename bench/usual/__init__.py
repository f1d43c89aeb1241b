"""The tests of a team without the plugin: `mock_aws`, a client and new tables for every test."""
