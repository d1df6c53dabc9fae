"""Procedural characters: a seed gives a full-body anime character, rigged and skinned."""
