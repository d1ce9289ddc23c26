CREATE TABLE `access_tokens` (
	`id` text PRIMARY KEY NOT NULL,
	`hash` text NOT NULL,
	`credential_id` text NOT NULL,
	`description` text NOT NULL,
	`scopes` text NOT NULL,
	`tags` text NOT NULL,
	`created_at` integer NOT NULL,
	`expires_at` integer NOT NULL,
	`revoked_at` integer,
	FOREIGN KEY (`credential_id`) REFERENCES `trust_credentials`(`id`) ON UPDATE no action ON DELETE no action
);
--> statement-breakpoint
CREATE TABLE `trust_credentials` (
	`id` text PRIMARY KEY NOT NULL,
	`hash` text NOT NULL,
	`description` text NOT NULL,
	`scopes` text NOT NULL,
	`tags` text NOT NULL,
	`user_id` integer,
	`created_at` integer NOT NULL,
	`updated_at` integer,
	`revoked_at` integer,
	`federation` text
);
