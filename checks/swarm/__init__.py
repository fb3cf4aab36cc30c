"""A load test by Locust, a program of its own: it changes every socket of the process it is imported in.

checks.swarm.figures     what its JSON and its live lines say, and the limits: pure
checks.swarm.command     its command line, and what it says when it cannot start
checks.swarm.running     Locust at work: started, listened to, stopped early
checks.swarm.judging     what it came to
checks.swarm.locustfile  the visitors it sends; read by Locust, never imported here
checks.swarm.visitor     how a visitor walks journeys with Locust's client; imported by the locustfile alone
checks.swarm.telling     what is told every second; read by Locust, never imported here
"""

from __future__ import annotations
