import shutil


def test_keep(tiny_gguf):
    shutil.copy(tiny_gguf, "/tmp/w/tiny.gguf")
