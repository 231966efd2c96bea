"""The option that writes the golden files again."""


def pytest_addoption(parser):
    parser.addoption("--golden-write", action="store_true", help="write tests/golden/expected/ again")
