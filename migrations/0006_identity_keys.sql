CREATE TABLE `identity_keys` (
	`id` text PRIMARY KEY NOT NULL,
	`created_at` integer NOT NULL,
	`private_key` text NOT NULL
);
