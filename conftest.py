"""Finds the plugin of this checkout: where it is not installed, or where pytest was told to load none by itself."""

import sys

pytest_plugins = ["pytester"]
# It may be there already, under the name of its entry point or another: a second registration is an error.
if "pytest_sessionplugin.plugin" not in sys.modules:
    pytest_plugins.append("pytest_sessionplugin.plugin")
