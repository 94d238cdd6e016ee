"""Tests that need real image builders, a Dagger engine, or both."""
