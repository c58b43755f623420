"""Whether two evaluated models differ, on the photos that both predicted."""
