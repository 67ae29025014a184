"""Small trained networks, honest and backdoored, each with a card: what lessons must not train.

bdlab.zoo.load("signs-badnets")      the network, in eval mode
bdlab.zoo.backdoor("signs-badnets")  the network with its attacker's trigger and wish, as `evaluate` takes it
bdlab.zoo.card("signs-badnets")      who made it, how, and how well it does
"""

from bdlab.zoo.cards import Card, backdoor, card, load, names

__all__ = ["Card", "backdoor", "card", "load", "names"]
