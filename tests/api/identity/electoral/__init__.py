"""The electoral axis through the API: an extract, the commission's signature, what a citizen sees."""
