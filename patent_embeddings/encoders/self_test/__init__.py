"""The test that every model passes before its first use on a machine."""
