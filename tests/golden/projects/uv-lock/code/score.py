import idna
import six


def init():
    pass


def run(data):
    return [idna.__version__, six.__version__]
