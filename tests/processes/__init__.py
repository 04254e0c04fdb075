"""Processes on real servers, whose clocks can be moved."""
