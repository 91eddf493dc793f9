"""The user's own landscapes: adding, replacing and removing their files, queries and judgements."""
