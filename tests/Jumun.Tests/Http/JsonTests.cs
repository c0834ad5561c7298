using Jumun.Products;
using Jumun.Server;
using Jumun.Server.Api;

namespace Jumun.Tests.Http;

/// <summary>The buffers in which answers are written.</summary>
public sealed class JsonTests
{
    [Fact]
    public void A_thread_keeps_its_buffer_but_not_that_of_a_large_answer()
    {
        Write(name: "mug");
        Assert.InRange(Json.KeptBytes, 1, Bounds.KeptAnswerBytes);
        Write(new string('컵', Bounds.KeptAnswerBytes));
        Assert.Equal(0, Json.KeptBytes);
        Write(name: "mug");
        Assert.InRange(Json.KeptBytes, 1, Bounds.KeptAnswerBytes);

        static void Write(string name) => Assert.Equal(
            $$"""{"productId":7,"name":"{{name}}","price":1,"stock":2,"onSale":true}""",
            System.Text.Encoding.UTF8.GetString(Json.Write(new ProductView(7, name, 1, 2, true), ApiJson.Default.ProductView)));
    }
}
