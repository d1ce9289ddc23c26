CREATE TABLE `passed_ssh_checks` (
	`id` text PRIMARY KEY NOT NULL,
	`source_id` integer NOT NULL,
	`user_id` integer NOT NULL,
	`passed_at` integer NOT NULL
);
--> statement-breakpoint
CREATE TABLE `ssh_checks` (
	`id` text PRIMARY KEY NOT NULL,
	`source_id` integer NOT NULL,
	`destination_id` integer NOT NULL,
	`local_user` text NOT NULL,
	`user_id` integer NOT NULL,
	`created_at` integer NOT NULL,
	`expires_at` integer NOT NULL,
	`state` text NOT NULL
);
--> statement-breakpoint
ALTER TABLE `nodes` ADD `attributes` text DEFAULT '{}' NOT NULL;