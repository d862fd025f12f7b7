"""The anonymous routes, as a program of their own (`beffroi relay`): nothing here knows accounts, tokens or people.

Each body that wants to help voters runs one under an address of its own; the voter's client uses one that city hall
does not run. It holds what it is given until the next round and passes a whole round on in an order that says nothing
of who came first. No address, user agent, cookie or arrival time is written anywhere.
"""
