"""Telling a drawn figure from what is behind it: the network of `engine.enrol.segment`."""
