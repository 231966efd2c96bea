"""Lead qualification rules as documented, measured on your closed deals and learned from them."""

__version__ = "0.2.0"
