-- What lists count, and what is removed for its age, without a look at rows that are not of it.
CREATE INDEX flag_position_live ON flag_position (is_live, until_change);
CREATE INDEX flag_age ON flag (expires_time);
