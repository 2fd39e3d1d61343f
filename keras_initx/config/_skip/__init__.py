"""How `skip_init` leaves weights undrawn, and watches that they are not trained."""
