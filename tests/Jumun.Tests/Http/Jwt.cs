using System.Buffers.Text;
using System.Security.Cryptography;
using System.Text;
using System.Text.Json.Nodes;

namespace Jumun.Tests.Http;

/// <summary>Tokens made by hand, so that tests can make bad ones.</summary>
internal static class Jwt
{
    /// <summary>A good token that outlives every test's clock.</summary>
    public static string Of(string member, bool isAdministrator = false)
    {
        JsonObject claims = Claims(member);
        if (isAdministrator)
        {
            claims["role"] = "admin";
        }

        return Signed(claims);
    }

    /// <summary>The claims of a good token.</summary>
    public static JsonObject Claims(string member) => new()
    {
        ["iss"] = "jumun",
        ["aud"] = "jumun",
        ["sub"] = member,
        ["exp"] = 4_070_908_800,
    };

    /// <summary>A token signed with the key of the tests.</summary>
    public static string Signed(JsonObject claims, string algorithm = "HS256", string? type = "JWT", string key = TestShop.SigningKey) =>
        Join(Header(algorithm, type), claims, content => algorithm switch
        {
            "HS256" => HMACSHA256.HashData(Encoding.UTF8.GetBytes(key), content),
            "HS384" => HMACSHA384.HashData(Encoding.UTF8.GetBytes(key), content),
            "HS512" => HMACSHA512.HashData(Encoding.UTF8.GetBytes(key), content),
            _ => [],
        });

    /// <summary>A token signed with an RSA key.</summary>
    public static string Signed(JsonObject claims, RSA key, string keyId) => Join(
        Header("RS256", "JWT", keyId), claims, content => key.SignData(content, HashAlgorithmName.SHA256, RSASignaturePadding.Pkcs1));

    public static string Base64(string text) => Base64Url.EncodeToString(Encoding.UTF8.GetBytes(text));

    private static JsonObject Header(string algorithm, string? type, string? keyId = null)
    {
        var header = new JsonObject { ["alg"] = algorithm };
        if (type is not null)
        {
            header["typ"] = type;
        }

        if (keyId is not null)
        {
            header["kid"] = keyId;
        }

        return header;
    }

    private static string Join(JsonObject header, JsonObject claims, Func<byte[], byte[]> sign)
    {
        string content = $"{Base64(header.ToJsonString())}.{Base64(claims.ToJsonString())}";
        return $"{content}.{Base64Url.EncodeToString(sign(Encoding.ASCII.GetBytes(content)))}";
    }
}
