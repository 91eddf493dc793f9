"""What every package stands on: paths, tables, files, errors, parameters and the registry."""
