"""Fakes and fixtures for tests: each module has one purpose."""
