"""The one Chromium of a worker."""

from chromium import chromium

__all__ = ["chromium"]
