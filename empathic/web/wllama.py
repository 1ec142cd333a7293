"""wllama: llama.cpp in WebAssembly, for browsers; MIT, from npm's registry.

Its second build is for browsers that lack JSPI or 64-bit memories, Safari's among them: every iPhone.
"""

from __future__ import annotations

from empathic.web.npm import Package

VERSION = "3.13.0"
MEGABYTES = 30  # of what is wanted, unpacked

PACKAGES = (
    Package(
        "@wllama/wllama",
        VERSION,
        "ZvoRdQAn+E+18EvQ9qS036gudiI9rbZRBJgG/qNICPPwrA0Y6SMMdbziz/j7K/0WxcbJlhaRraVIYsnEy732NA==",
        {
            "esm/index.min.js": "wllama/wllama.js",
            "esm/wasm/wllama.wasm": "wllama/wllama.wasm",
            "LICENCE": "wllama/LICENCE",
        },
    ),
    Package(
        "@wllama/wllama-compat",
        VERSION,
        "MSWwyzVXpwkstvIGzOsQ9jlRm8kY5S5J0Gdw4E6M9mXqhgO/5tj+YNfxSoqN1GvsAOwui95JPtwX3hO6VZkbzg==",
        {"wasm/wllama.js": "wllama/compat.js", "wasm/wllama.wasm": "wllama/compat.wasm"},
    ),
)
