import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.Base64;
import java.util.Date;
import java.util.HashMap;
import java.util.HexFormat;
import java.util.List;
import java.util.Map;
import java.util.Random;
import java.util.UUID;

/**
 * What fill.py does, in a JVM: {@code java Fill MODE MIB VALUES}. Strings are UTF-16 with {@code -XX:-CompactStrings}.
 */
class Fill {
    static final String ALL = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789";
    static final Random DRAW = new Random(42);
    static final List<Object> HELD = new ArrayList<>();
    static final List<List<String>> USERS = new ArrayList<>();
    static final List<String> WORDS = new ArrayList<>();

    record User(long id, String name, String mail, Map<String, Object> has, double score, Date at) {}

    static String word() {
        return WORDS.get(DRAW.nextInt(WORDS.size()));
    }

    static String text(int count) {
        var text = new StringBuilder(count);
        for (int i = 0; i < count; i++) text.append(ALL.charAt(DRAW.nextInt(ALL.length())));
        return text.toString();
    }

    static String identifier() {
        return new UUID(DRAW.nextLong(), DRAW.nextLong()).toString();
    }

    static String base64(String text) {
        return Base64.getUrlEncoder().withoutPadding().encodeToString(text.getBytes(StandardCharsets.UTF_8));
    }

    static String jwt() {
        var head = base64("{\"alg\":\"RS256\",\"typ\":\"JWT\",\"kid\":\"" + text(8) + "\"}");
        var claims = "{\"sub\":\"" + text(10) + "\",\"name\":\"" + word() + "\",\"iat\":1516239022,\"iss\":\"https://"
                + word() + ".example.com\"}";
        return head + "." + base64(claims) + "." + text(86);
    }

    static Map<String, Object> attributes(boolean mixed) {
        var attributes = new HashMap<String, Object>();
        for (int i = 0; i < 6; i++) {
            Object value = word() + " " + word();
            if (mixed && i % 3 == 0) value = DRAW.nextLong();
            if (mixed && i % 3 == 2) value = DRAW.nextDouble();
            attributes.put(word() + i, value);
        }
        return attributes;
    }

    static void ordinary(long n) {
        HELD.add(new User(n, word() + " " + word(), word() + "@" + word() + ".com", attributes(true), DRAW.nextDouble(),
                new Date(DRAW.nextInt())));
        if (n % 5 == 0) {
            HELD.add("GET /api/v1/" + word() + "/" + n + "?" + word() + "=" + word() + " HTTP/1.1\r\nHost: " + word()
                    + ".svc.cluster.local\r\nUser-Agent: Mozilla/5.0\r\nAccept: application/json\r\nX-Request-Id: "
                    + identifier() + "\r\n\r\n");
        }
        if (n % 7 == 0) {
            HELD.add(("{\"id\":" + n + ",\"type\":\"" + word() + "\",\"items\":[{\"sku\":\"" + text(8) + "\",\"qty\":"
                    + DRAW.nextInt(99) + "}],\"owner\":{\"name\":\"" + word() + "\",\"email\":\"" + word()
                    + "@example.org\"}}").getBytes(StandardCharsets.UTF_8));
        }
        if (n % 50 == 0) {
            var bytes = new byte[4096];
            DRAW.nextBytes(bytes);
            HELD.add(bytes);
        }
        if (n % 20 == 0) HELD.add(DRAW.longs(256, 0, 1 << 30).toArray());
        if (n % 40 == 0) HELD.add(DRAW.doubles(256).toArray());
        if (n % 3 == 0) HELD.add(DRAW.ints(64, 0, 1000).toArray());
        if (n % 997 == 0) HELD.add("Authorization: Bearer " + jwt());
    }

    /** What one user leaves in a gateway: tokens, cookies, settings, and words that stand before them. */
    static List<String> user() {
        var lines = new StringBuilder();
        for (int i = 0; i < 24; i++) {
            lines.append(word()).append('.').append(word()).append(" key ").append(word()).append(" token ");
            lines.append(word()).append('\n');
        }
        return List.of(
                "password=" + text(12 + DRAW.nextInt(8)),
                "{\"access_token\":\"" + text(40) + "\",\"token_type\":\"bearer\",\"refresh_token\":\"" + text(32) + "\"}",
                "Authorization: Bearer " + text(48),
                "client_secret: '" + text(32) + "'",
                "api_key = " + identifier().replace("-", ""),
                jwt(),
                "https://" + word() + ":" + text(10) + "@" + word() + ".example.com/path",
                "Set-Cookie: sessionid=" + text(32) + "; HttpOnly; Path=/; csrf_token=" + text(24),
                "SECRET_KEY=" + text(40) + "\nDB_PASSWORD=" + text(16) + "\nDEBUG=false\nTOKEN=" + identifier(),
                "postgres://app:" + text(14) + "@db.internal:5432/" + word(),
                lines.toString());
    }

    /** Requests of a thousand users. */
    static void dense(long n) {
        while (USERS.size() < 1000) USERS.add(user());
        var user = USERS.get(DRAW.nextInt(USERS.size()));
        // A copy: strings made of strings share their bytes.
        HELD.add(new String(user.get(DRAW.nextInt(user.size())).toCharArray()));
        HELD.add(DRAW.longs(8, 0, 100_000).toArray());
        HELD.add(new User(n, word(), word() + "@" + word() + ".com", attributes(false), 0, new Date()));
    }

    static void base64s(long n) {
        var bytes = new byte[200 + DRAW.nextInt(3000)];
        DRAW.nextBytes(bytes);
        if (DRAW.nextInt(3) == 0) {
            var document = "{\"auths\":{\"registry.example.com\":{\"username\":\"" + word() + "\",\"note\":\"" + word()
                    + "\"}}}";
            bytes = document.repeat(1 + bytes.length / document.length()).getBytes(StandardCharsets.UTF_8);
        }
        HELD.add(Base64.getEncoder().encodeToString(bytes));
        if (n % 20 == 0) HELD.add(Base64.getMimeEncoder(64, new byte[] {'\n'}).encodeToString(bytes));
        for (int i = 0; n % 4 == 0 && i < 8; i++) HELD.add(word() + " " + word() + " " + n);
    }

    static void zero(long n) {
        var buffer = new byte[1 << 20];
        for (int i = 0; i < 64; i++) {
            var bytes = word().getBytes(StandardCharsets.UTF_8);
            System.arraycopy(bytes, 0, buffer, DRAW.nextInt(1 << 18), Math.min(bytes.length, 64));
        }
        HELD.add(buffer);
        for (int i = 0; i < 500; i++) HELD.add(word() + word() + n);
    }

    /** Holds a value in one form, with words around it. */
    static void hold(String backwards, String mode, int number) {
        var value = new StringBuilder(backwards).reverse();
        var form = mode.equals("rich") ? number % 4 : mode.equals("base64") ? 2 : 0;
        var document = (form < 2 ? "token " + value + ";" : "{\"kind\": \"access\", \"token\": \"" + value + "\"}");
        var bytes = document.getBytes(StandardCharsets.UTF_8);
        HELD.add(switch (form) {
            case 1 -> (document + "\0\0").getBytes(StandardCharsets.UTF_16LE);
            case 2 -> Base64.getEncoder().encodeToString(bytes);
            case 3 -> HexFormat.of().formatHex(bytes);
            default -> document;
        });
    }

    public static void main(String[] arguments) throws Exception {
        var mode = arguments[0];
        var most = Long.parseLong(arguments[1]);
        var values = Files.readAllLines(Path.of(arguments[2]));
        for (var module : ModuleLayer.boot().modules()) {
            for (var name : module.getPackages()) WORDS.addAll(List.of(name.split("\\.")));
        }
        WORDS.addAll(List.of(("user token session password secret cache key value request response header content type "
                + "account order invoice status active pending error timeout connection database select insert where "
                + "index table service config handler controller repository context thread worker queue message event "
                + "payload client server api auth login logout admin role permission").split(" ")));
        var runtime = Runtime.getRuntime();
        var held = 0;
        for (long n = 1, used = 0; (used = runtime.totalMemory() - runtime.freeMemory() >> 20) < most; n++) {
            switch (mode) {
                case "ordinary", "utf16" -> ordinary(n);
                case "dense", "rich" -> dense(n);
                case "base64" -> base64s(n);
                default -> zero(n);
            }
            while (held < values.size() * Math.min(used + 8, most) / most) {
                hold(values.get(held), mode, held);
                held++;
            }
        }
        for (; held < values.size(); held++) hold(values.get(held), mode, held);
        System.out.println("ready");
        Thread.sleep(3_600_000);
    }
}
