"""Loyalty points: programmes, shops and tills, earning, spending by QR code, refunds, balances by lot."""
