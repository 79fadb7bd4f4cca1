"""The same elements elsewhere: reshaped, joined, chosen, put in places."""
