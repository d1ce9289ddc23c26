CREATE TABLE `stream_bytes` (
	`id` integer PRIMARY KEY AUTOINCREMENT NOT NULL,
	`socket_id` text NOT NULL,
	`stream_id` integer NOT NULL,
	`direction` text NOT NULL,
	`bytes` blob NOT NULL
);
--> statement-breakpoint
CREATE INDEX `stream_bytes_stream` ON `stream_bytes` (`socket_id`,`stream_id`,`direction`);--> statement-breakpoint
CREATE TABLE `api_tokens` (
	`id` text PRIMARY KEY NOT NULL,
	`hash` text NOT NULL,
	`user_id` integer NOT NULL,
	`description` text NOT NULL,
	`created_at` integer NOT NULL,
	`expires_at` integer NOT NULL,
	`revoked_at` integer,
	FOREIGN KEY (`user_id`) REFERENCES `users`(`id`) ON UPDATE no action ON DELETE no action
);
--> statement-breakpoint
CREATE TABLE `auth_keys` (
	`id` text PRIMARY KEY NOT NULL,
	`hash` text NOT NULL,
	`description` text NOT NULL,
	`user_id` integer,
	`is_reusable` integer NOT NULL,
	`is_ephemeral` integer NOT NULL,
	`is_preauthorized` integer NOT NULL,
	`tags` text NOT NULL,
	`created_at` integer NOT NULL,
	`expires_at` integer NOT NULL,
	`revoked_at` integer,
	`used_at` integer,
	FOREIGN KEY (`user_id`) REFERENCES `users`(`id`) ON UPDATE no action ON DELETE no action
);
--> statement-breakpoint
CREATE TABLE `private_keys` (
	`purpose` text PRIMARY KEY NOT NULL,
	`hex` text NOT NULL
);
--> statement-breakpoint
CREATE TABLE `nodes` (
	`id` integer PRIMARY KEY NOT NULL,
	`stable_id` text NOT NULL,
	`machine_key` text NOT NULL,
	`node_key` text NOT NULL,
	`disco_key` text,
	`tailnet_lock_key` text,
	`user_id` integer,
	`tags` text NOT NULL,
	`name` text NOT NULL,
	`is_name_fixed` integer NOT NULL,
	`ipv4` text NOT NULL,
	`ipv6` text NOT NULL,
	`hostinfo` text NOT NULL,
	`endpoints` text NOT NULL,
	`home_derp` integer NOT NULL,
	`capability_version` integer NOT NULL,
	`created_at` integer NOT NULL,
	`key_expires_at` integer,
	`is_key_expiry_disabled` integer NOT NULL,
	`is_authorized` integer NOT NULL,
	`is_ephemeral` integer NOT NULL,
	`approved_routes` text NOT NULL,
	`is_online` integer NOT NULL,
	`disconnected_at` integer,
	`last_seen_at` integer,
	`auth_key_id` text,
	FOREIGN KEY (`user_id`) REFERENCES `users`(`id`) ON UPDATE no action ON DELETE no action
);
--> statement-breakpoint
CREATE UNIQUE INDEX `nodes_stable_id_unique` ON `nodes` (`stable_id`);--> statement-breakpoint
CREATE UNIQUE INDEX `nodes_node_key_unique` ON `nodes` (`node_key`);--> statement-breakpoint
CREATE UNIQUE INDEX `nodes_name_unique` ON `nodes` (`name`);--> statement-breakpoint
CREATE UNIQUE INDEX `nodes_ipv4_unique` ON `nodes` (`ipv4`);--> statement-breakpoint
CREATE UNIQUE INDEX `nodes_ipv6_unique` ON `nodes` (`ipv6`);--> statement-breakpoint
CREATE INDEX `nodes_machine_key` ON `nodes` (`machine_key`);--> statement-breakpoint
CREATE TABLE `route_primaries` (
	`prefix` text PRIMARY KEY NOT NULL,
	`node_id` integer NOT NULL
);
--> statement-breakpoint
CREATE TABLE `pending_registrations` (
	`id` text PRIMARY KEY NOT NULL,
	`machine_key` text NOT NULL,
	`node_key` text NOT NULL,
	`old_node_key` text,
	`tailnet_lock_key` text,
	`hostinfo` text NOT NULL,
	`capability_version` integer NOT NULL,
	`is_ephemeral` integer NOT NULL,
	`remote_address` text NOT NULL,
	`created_at` integer NOT NULL,
	`expires_at` integer NOT NULL,
	`state` text NOT NULL,
	`user_id` integer,
	`node_id` integer
);
--> statement-breakpoint
CREATE TABLE `policies` (
	`id` integer PRIMARY KEY AUTOINCREMENT NOT NULL,
	`text` text NOT NULL,
	`is_default` integer NOT NULL,
	`saved_at` integer NOT NULL,
	`author` text NOT NULL
);
--> statement-breakpoint
CREATE TABLE `tailnet_state` (
	`id` integer PRIMARY KEY NOT NULL,
	`settings` text NOT NULL,
	`next_node_id` integer NOT NULL,
	`next_user_id` integer NOT NULL,
	`next_address` integer NOT NULL
);
--> statement-breakpoint
CREATE TABLE `users` (
	`id` integer PRIMARY KEY NOT NULL,
	`stable_id` text NOT NULL,
	`login_name` text NOT NULL,
	`display_name` text NOT NULL,
	`profile_pic_url` text NOT NULL,
	`role` text NOT NULL,
	`is_suspended` integer NOT NULL,
	`created_at` integer NOT NULL
);
--> statement-breakpoint
CREATE UNIQUE INDEX `users_stable_id_unique` ON `users` (`stable_id`);--> statement-breakpoint
CREATE UNIQUE INDEX `users_login_name_unique` ON `users` (`login_name`);