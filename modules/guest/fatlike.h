/* One more than the level. */
int fatlike_level(int level);
