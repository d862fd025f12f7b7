"""Who stands at a shop's till: employees, their PINs, and the shifts they open."""
