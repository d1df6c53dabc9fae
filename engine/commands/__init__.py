"""The bodies of the larger commands, and the options that commands share."""
