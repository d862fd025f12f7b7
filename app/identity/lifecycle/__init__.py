"""What happens to an identity after enrolment: lost phones, mandates, domain accounts, acts of two agents, minors.

`models` tables · `projections` what the chain tells of recoveries · `recoveries` what citizen and desk see of them
· `letters` post · `acts` transactions that wait for a second signature · `links` the sealed list of a person's
accounts · `mandates` who may act for whom · `ages` what a birth date allows · `api`, `schemas`.
"""
