"""The eight checks of section 6, one file each; 2 and 4 are made while log and statements are read."""
