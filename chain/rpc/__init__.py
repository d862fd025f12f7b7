"""CometBFT 0.38 JSON-RPC over HTTP and websocket."""
