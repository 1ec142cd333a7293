"""A page of headless Chromium, as Debian has it, for what is measured in a browser."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from empathic.errors import UserError


@contextmanager
def page() -> Iterator[Any]:
    """A new page of Playwright's, in a browser of its own.

    Raises:
        UserError: there is no Chromium.
    """
    from playwright.sync_api import sync_playwright

    found = shutil.which("chromium") or shutil.which("google-chrome")
    if not found:
        raise UserError("needs Chromium (Debian: apt-get install chromium)")
    with sync_playwright() as driver:
        browser = driver.chromium.launch(executable_path=found, args=["--no-sandbox"])
        yield browser.new_page()
        browser.close()
