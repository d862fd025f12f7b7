"""2D-Doc against a test authority: its list, its certificates, its signed codes and pictures of them."""
